"""Labels looked at by people: chips chosen, shown in Label Studio or other tools, and their corrections merged."""

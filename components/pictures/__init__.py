"""Every figure that Swath draws; no other module plots."""

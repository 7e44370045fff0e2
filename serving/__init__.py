"""BentoML only: promoted versions behind typed endpoints."""

"""What tests are made with; for users too."""

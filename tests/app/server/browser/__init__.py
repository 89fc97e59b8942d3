"""The page as people use it, in a headless Chromium."""

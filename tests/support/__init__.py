"""What tests of several folders import; no tests belong here."""

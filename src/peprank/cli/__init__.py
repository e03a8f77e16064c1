"""The door bell: one file per verb, each parses, calls the library, prints."""

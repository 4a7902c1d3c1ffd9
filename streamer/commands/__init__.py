"""What each command does, apart from its options (those are in `streamer.cli`)."""

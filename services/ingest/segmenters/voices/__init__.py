"""Tell the voices of one recording apart: windows of speech to turns of numbered speakers."""

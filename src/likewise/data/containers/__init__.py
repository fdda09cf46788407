"""Files that hold many photos, read at random: RecordIO, tar, zip, Arrow."""

"""Random access to the photos inside large files: RecordIO, tar, zip, Arrow."""

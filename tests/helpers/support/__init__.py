"""What several test files build their worlds from."""

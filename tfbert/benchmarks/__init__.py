"""What tfbert's speed is measured with: side by side with its peers, each system in a process of its own."""

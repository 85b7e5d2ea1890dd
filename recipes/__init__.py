"""One readable script per job; `tfbert` lists and runs them."""

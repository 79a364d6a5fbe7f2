"""What a browser sees of `./lab serve`."""

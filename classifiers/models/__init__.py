"""The networks' definitions in torch; training alone imports them."""

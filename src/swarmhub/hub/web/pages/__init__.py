"""One module for each page, and `forms`, which carries out what a form asks for."""

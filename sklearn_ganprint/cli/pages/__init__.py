"""Pages of HTML that commands write: figures, templates and what goes into them."""

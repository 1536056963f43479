"""Networks: declarations over one shared implementation."""

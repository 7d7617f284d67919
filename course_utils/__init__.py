"""What the lessons import after they have explained it. Each module does one job."""

__version__ = "0.1.0"

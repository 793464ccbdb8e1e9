"""Simulated sources: pictures, generators and cameras with known traces."""

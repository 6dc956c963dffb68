"""Real servers on loopback, started and stopped by the tests that use them."""

"""Virtual actors: people who do not exist, from seed to frame (lesson 01 introduces them)."""

"""A leaderboard without a server: a static site from bundles, in which every number was scored again."""

"""A swarm of several hospitals on one machine: real nodes, real trainers, real data."""

"""The bytes layer: MongoDB wire messages in and out of buffers, nothing else."""

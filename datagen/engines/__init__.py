"""Where the stages run: asking and the whole set in this process, pure stages in a process pool, or as Ray tasks."""

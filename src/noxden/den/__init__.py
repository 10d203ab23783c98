"""The den: base environments and worktree environments, built once, shared, collected."""

"""The subcommands of ``noxden``, a module each: read options, call, render what came back."""

"""The sandbox level for machines without user namespaces: Landlock and system call filters."""

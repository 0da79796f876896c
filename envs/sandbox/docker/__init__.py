"""The sandbox level that Docker gives: a warm container around an interpreter that forks."""

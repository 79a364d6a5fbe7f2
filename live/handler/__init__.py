"""What requests of clients make live nodes do."""

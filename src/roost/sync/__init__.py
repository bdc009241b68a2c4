"""Reading the journal forwards: shapes, in the protocol of ElectricSQL."""

# Devices beyond the first few that hold the access are not asked
# file: io_bus.c
# caught by: regress order_of_devices
s/} while (nr == BATCH);/} while (0);/

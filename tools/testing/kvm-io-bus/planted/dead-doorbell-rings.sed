# A kick that came too late is taken for one that rang
# file: io_bus_doorbell.h
# caught by: interleave
s/return alive;/return true;/

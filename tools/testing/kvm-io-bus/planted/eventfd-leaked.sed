# A doorbell keeps its eventfd for ever
# file: io_bus_doorbell.c
# caught by: regress closed_eventfd
s/eventfd_ctx_put(eventfd);/(void)eventfd;/
s/eventfd_ctx_put(doorbell->eventfd);/;/

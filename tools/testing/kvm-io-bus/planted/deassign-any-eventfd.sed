# An ioeventfd goes whatever eventfd it was registered with
# file: io_bus_register.c
# caught by: regress doorbell_rules
s/ || ioeventfd->eventfd != eventfd//

# An ioeventfd keeps its eventfd for ever
# file: ioeventfd_set.c
# caught by: regress closed_eventfd
s/eventfd_ctx_put(eventfd);/(void)eventfd;/
s/eventfd_ctx_put(ioeventfd->eventfd);/;/

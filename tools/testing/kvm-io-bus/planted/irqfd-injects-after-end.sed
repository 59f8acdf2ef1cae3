# What was left to a work item is injected after the end
# file: irqfd.c
# caught by: irqfd all_at_once
/^static void irqfd_shutdown(/,/^}/s/flush_work(&irqfd->inject);//

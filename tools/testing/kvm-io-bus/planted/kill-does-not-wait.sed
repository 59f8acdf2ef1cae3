# A doorbell is ended beside a kick that is under way
# file: io_bus_doorbell.c
# caught by: threads
/^void kvm_io_doorbell_kill/,/^}/{
/spin_lock_irqsave(/d
/spin_unlock_irqrestore(/d
}

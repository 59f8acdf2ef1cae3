# An ioeventfd is ended beside a kick that is under way
# file: ioeventfd_set.c
# caught by: threads
/^void kvm_ioeventfd_kill/,/^}/{
/spin_lock_irqsave(/d
/spin_unlock_irqrestore(/d
}

# A kick that came too late is taken for one that rang
# file: ioeventfd_set.h
# caught by: interleave
s/return alive;/return true;/

/* SPDX-License-Identifier: GPL-2.0-only */
/* The system's own; types of the kernel are in shim.h. */
#include_next <linux/types.h>

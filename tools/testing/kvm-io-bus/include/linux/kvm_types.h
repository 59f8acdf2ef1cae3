/* SPDX-License-Identifier: GPL-2.0-only */
/* gpa_t is in shim.h. */

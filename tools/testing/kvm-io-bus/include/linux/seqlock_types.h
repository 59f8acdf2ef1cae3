/* SPDX-License-Identifier: GPL-2.0-only */
/* shim.h has seqcount_t. */

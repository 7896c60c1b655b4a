# SPDX-License-Identifier: BSD-2-Clause
kernel_sockmap_facts := sockmap_maps sockmap_probe

# The first range that holds the access is taken for the narrowest
# file: io_bus_ranges.c
# caught by: regress all_layouts
s/next\.dev = dev;/& break;/

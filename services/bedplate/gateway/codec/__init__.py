"""JSON to messages and back, exactly by protobuf's mapping, through plans made from the descriptors."""

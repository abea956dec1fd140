"""Connect and gRPC-Web: methods are called by name, `/package.Service/Method`, on the HTTP port."""

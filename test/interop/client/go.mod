module blvm-mesh-interop-client

go 1.21

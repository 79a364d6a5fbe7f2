module stormlab/node

go 1.22

// Program gateway is grpc-gateway in front of a gRPC server in another process.
package main

import (
	"context"
	"log"
	"os"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	benchv1 "bench/gen/bench/v1"
	"bench/service"
)

func main() {
	mux := runtime.NewServeMux()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	target := "127.0.0.1:" + os.Args[1]
	err := benchv1.RegisterBenchServiceHandlerFromEndpoint(context.Background(), mux, target, options)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(service.Serve(mux))
}

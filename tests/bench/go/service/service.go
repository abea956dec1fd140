// Package service is the benchmark's service in Go, and what its programs share.
package service

import (
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	benchv1 "bench/gen/bench/v1"
)

// Key is the credential that every row is called with.
var Key = "Bearer " + os.Getenv("BENCH_KEY")

// Bench copies the payment, and fills two fields in.
type Bench struct {
	benchv1.UnimplementedBenchServiceServer
	validator protovalidate.Validator
}

// New makes the service; its validator knows the request's rules already.
func New() (*Bench, error) {
	validator, err := protovalidate.New(protovalidate.WithMessages(&benchv1.ChargeRequest{}))
	return &Bench{validator: validator}, err
}

// Charge answers the call.
func (b *Bench) Charge(ctx context.Context, request *benchv1.ChargeRequest) (*benchv1.ChargeResponse, error) {
	if !known(ctx) {
		return nil, status.Error(codes.Unauthenticated, "the key is not valid")
	}
	payment := request.GetPayment()
	if payment.GetPaymentId() == "" || payment.GetCustomerId() == "" || payment.GetMerchantId() == "" {
		return nil, status.Error(codes.InvalidArgument, "payment: a required field is not set")
	}
	for _, line := range payment.GetLines() {
		if line.GetSku() == "" {
			return nil, status.Error(codes.InvalidArgument, "payment.lines.sku is required")
		}
	}
	if err := b.validator.Validate(request); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	answer := proto.Clone(payment).(*benchv1.Payment)
	answer.State = benchv1.State_STATE_HELD
	answer.Captured = true
	return &benchv1.ChargeResponse{Payment: answer}, nil
}

func known(ctx context.Context) bool {
	sent, _ := metadata.FromIncomingContext(ctx)
	values := sent.Get("authorization")
	return len(values) == 1 && subtle.ConstantTimeCompare([]byte(values[0]), []byte(Key)) == 1
}

// Serve prints a free port, and answers there until standard input ends.
func Serve(handler http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(listener, handler)
}

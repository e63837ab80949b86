#pragma once
// Every differentiable op, one inline function each: value and gradient rules side by side. To add
// one, write it in the family it belongs to and add one GRADCHECK line to tests/ops_test.cpp.

#include <tapestry/autograd/ops/arithmetic.h>   // + - * /, scalar variants
#include <tapestry/autograd/ops/elementwise.h>  // exp log sqrt tanh sigmoid relu where dropout ...
#include <tapestry/autograd/ops/gates.h>        // lstm_gates gru_gates
#include <tapestry/autograd/ops/losses.h>       // cross_entropy mse huber
#include <tapestry/autograd/ops/matmul.h>       // matmul affine
#include <tapestry/autograd/ops/reduce.h>       // sum mean max softmax log_softmax layer_norm
#include <tapestry/autograd/ops/shape.h>        // reshape transpose select narrow concat stack rows

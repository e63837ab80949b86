#pragma once
// Every differentiable op, one function each. To add one, declare it in the family it belongs to,
// write value and gradient rules side by side in the family's source, and add one GRADCHECK line to
// tests/ops_test.cpp.

#include <tapestry/autograd/ops/activation.h>   // tanh sigmoid relu softplus silu gelu
#include <tapestry/autograd/ops/arithmetic.h>   // + - * /, scalar variants
#include <tapestry/autograd/ops/conv.h>         // conv1d
#include <tapestry/autograd/ops/elementwise.h>  // exp log sqrt pow sin cos abs clamp ..
#include <tapestry/autograd/ops/gates.h>        // lstm_gates gru_gates
#include <tapestry/autograd/ops/index.h>        // embedding gather flip
#include <tapestry/autograd/ops/join.h>         // concat stack
#include <tapestry/autograd/ops/losses.h>       // cross_entropy nll bce_with_logits mse huber
#include <tapestry/autograd/ops/mask.h>         // where masked_fill maximum minimum dropout
#include <tapestry/autograd/ops/matmul.h>       // matmul affine
#include <tapestry/autograd/ops/normalize.h>    // softmax log_softmax layer_norm
#include <tapestry/autograd/ops/reduce.h>       // sum mean max min cumsum
#include <tapestry/autograd/ops/shape.h>  // reshape transpose permute expand select narrow slice ..
#include <tapestry/autograd/tape.h>       // what records them

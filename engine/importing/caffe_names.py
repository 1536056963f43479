"""Which layer of a Caffe SSD is which variable of ours.

Caffe examples/ssd/ssd_pascal.py and model_libs.py. The original went through
both networks in the order of their layers instead.
"""
# Caffe layer that predicts -> ours.
SOURCES = {
    'conv4_3_norm': 'block4',
    'fc7': 'block7',
    'conv6_2': 'block8',
    'conv7_2': 'block9',
    'conv8_2': 'block10',
    'conv9_2': 'block11',
    'conv10_2': 'block12',
}
# Caffe layer -> scope of its convolution, below the network's.
SCOPES = {
    'conv1_1': 'conv1/conv1_1',
    'conv1_2': 'conv1/conv1_2',
    'conv2_1': 'conv2/conv2_1',
    'conv2_2': 'conv2/conv2_2',
    'conv3_1': 'conv3/conv3_1',
    'conv3_2': 'conv3/conv3_2',
    'conv3_3': 'conv3/conv3_3',
    'conv4_1': 'conv4/conv4_1',
    'conv4_2': 'conv4/conv4_2',
    'conv4_3': 'conv4/conv4_3',
    'conv5_1': 'conv5/conv5_1',
    'conv5_2': 'conv5/conv5_2',
    'conv5_3': 'conv5/conv5_3',
    'fc6': 'conv6',
    'fc7': 'conv7',
    'conv6_1': 'block8/conv1x1',
    'conv6_2': 'block8/conv3x3',
    'conv7_1': 'block9/conv1x1',
    'conv7_2': 'block9/conv3x3',
    'conv8_1': 'block10/conv1x1',
    'conv8_2': 'block10/conv3x3',
    'conv9_1': 'block11/conv1x1',
    'conv9_2': 'block11/conv3x3',
    'conv10_1': 'block12/conv1x1',
    'conv10_2': 'block12/conv4x4',
    **{f'{source}_mbox_{head}': f'{layer}_box/{scope}'
       for source, layer in SOURCES.items()
       for head, scope in (('loc', 'conv_loc'), ('conf', 'conv_cls'))},
}
# Variable below the network's scope -> (Caffe layer, index of its blob).
BLOBS = {
    'block4_box/L2Normalization/gamma': ('conv4_3_norm', 0),
    **{f'{scope}/{variable}': (layer, index)
       for layer, scope in SCOPES.items()
       for index, variable in enumerate(('weights', 'biases'))},
}


def sources_of(params):
    """Returns the Caffe names of the layers that a network predicts from."""
    return tuple(source for source, layer in SOURCES.items()
                 if layer in params.feat_layers)

"""Guess, then train: a window with the line and the loss surface side by side. Needs no torch.

Where you drag the sliders of weight and bias, the line turns and the point moves over the loss
surface, because both show the same two numbers. The buttons train from there, with the learning
rate of the third slider. The gradient points uphill, and is drawn half as long as it is; "step" is
what the next epoch does, in the opposite direction and with lr times the gradient's length. (A
small one lies under the point, and has no name then.) Another point or another loss begins a new
path, whereas another learning rate goes on with the old one.

Try 100 epochs from the start, which are the tutorial's run. Try MSE with lr 0.8, restart, and try
0.9; restart again, and try MAE with lr 1. Without a display, one picture of the window is saved.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.widgets import Button, RadioButtons, Slider

from manual_grad import numpy_closed_form, pictures, program
from manual_grad.loss_map import draw_map
from manual_grad.numpy_closed_form import START, tutorial_data
from manual_grad.pictures import BLUE, ORANGE, write

X, Y, _, _ = tutorial_data()
# Inches, and points: with its frame and toolbar the window fits a screen of 1366 x 768.
WINDOW = {"figure.constrained_layout.use": False, "figure.figsize": (12, 6.4), "font.size": 14}
WEIGHTS, BIASES = (-0.2, 1.4), (-0.6, 1.2)  # the reach of the sliders and of the map
EXPONENTS = -3, 0  # lr is 10 to the power of its slider
LEVELS = {"MAE": np.arange(0, 2.1, 0.1), "MSE": np.arange(0, 2.1, 0.1) ** 2}
DOT = 0.04  # the point's reach on the map: a shorter arrow is hidden, and so is its name


class Explorer:
    """The window. `path` holds (weight, bias) at its start and after each epoch."""

    @plt.rc_context(pictures.SLIDE | WINDOW)
    def __init__(self):
        self.figure, (line_axes, map_axes) = plt.subplots(1, 2)
        self.figure.subplots_adjust(0.07, 0.36, 0.98, 0.84, wspace=0.21)
        self.words = self.figure.text(0.07, 0.98, "", va="top", linespacing=1.4)
        self.draw_line(line_axes)
        self.draw_map(map_axes)
        for axes in (line_axes, map_axes):
            axes.locator_params(nbins=4)  # tick labels take most of the time of a redraw
        self.add_controls()
        self.restart(START)

    def draw_line(self, axes):
        """Draw the left panel: the data, the line and its residuals."""
        (self.residuals,) = axes.plot([], [], color="0.5", lw=1.5, label="residuals")
        axes.plot(X, Y, "o", color=BLUE, label="training data")
        (self.line,) = axes.plot([], [], color=ORANGE, lw=4, label="the model's line")
        axes.set(xlim=(-0.02, 0.8), ylim=(-0.2, 1.4), xlabel="x (no unit)", ylabel="y (no unit)")
        axes.legend(loc="upper left")

    def draw_map(self, axes):
        """Draw the right panel: both loss surfaces, the path, the gradient and the step."""
        weights, biases = (np.linspace(*ends, 51) for ends in (WEIGHTS, BIASES))
        self.contours = {
            loss: draw_map(axes, loss.lower(), X, Y, weights, biases, levels, fill=False)
            for loss, levels in LEVELS.items()
        }
        (self.walk,) = axes.plot([], [], ".-", color=ORANGE, lw=1.5)
        (self.point,) = axes.plot([], [], "o", color=ORANGE, mec="black", zorder=3)
        look = dict(angles="xy", scale_units="xy", scale=1, width=0.009)
        self.arrows = axes.quiver(*np.zeros((4, 2)), color=["black", BLUE], **look)
        self.names = write(axes, "gradient / 2", (0, 0)), write(axes, "step", (0, 0))
        for name, color in zip(self.names, ("black", BLUE)):
            name.set(ha="center", va="center", color=color)
        axes.set_xlabel("weight (no unit). Grey: lines of equal loss")
        axes.legend(handles=axes.lines[:1], loc="lower right")  # where arrows rarely point

    def add_controls(self):
        """Add the sliders, the buttons and the choice of the loss."""
        self.weight = self.add_slider("weight", 0.2, WEIGHTS, START[0])
        self.bias = self.add_slider("bias", 0.12, BIASES, START[1])
        self.exponent = self.add_slider("learning rate", 0.04, EXPONENTS, -2)
        self.buttons = {}  # by name; a button that nobody keeps is dead
        for name, left, bottom, action in (
            ("1 epoch", 0.63, 0.16, lambda _: self.train(1)),
            ("10 epochs", 0.76, 0.16, lambda _: self.train(10)),
            ("100 epochs", 0.63, 0.04, lambda _: self.train(100)),
            ("restart", 0.76, 0.04, lambda _: self.restart(START)),
        ):
            button = Button(self.figure.add_axes([left, bottom, 0.12, 0.09]), name)
            button.on_clicked(action)
            self.buttons[name] = button
        self.loss = RadioButtons(self.figure.add_axes([0.9, 0.04, 0.08, 0.21]), list(LEVELS))
        for control in (self.weight.on_changed, self.bias.on_changed, self.loss.on_clicked):
            control(lambda _: self.restart((self.weight.val, self.bias.val)))
        self.exponent.on_changed(lambda _: self.redraw())

    def add_slider(self, name, bottom, ends, start):
        """Add and return a slider, `bottom` of the window's height above its lower edge."""
        slider = Slider(self.figure.add_axes([0.14, bottom, 0.4, 0.05]), name, *ends, valinit=start)
        slider.drawon = False  # redraw() draws everything, once
        return slider

    def restart(self, point):
        """Begin a new path."""
        self.path = [point]
        self.redraw()

    def lr(self):
        """Return the learning rate, rounded to one digit so that 0.01 and 0.8 are easy to hit."""
        return float(f"{10**self.exponent.val:.1g}")

    def epoch_from(self, point):
        """Return the Trajectory of one epoch, or None if its numbers are not finite."""
        loss = self.loss.value_selected.lower()
        try:
            return numpy_closed_form.train(X, Y, *point, loss=loss, lr=self.lr(), epochs=1)
        except FloatingPointError:
            return None

    def train(self, epochs):
        """Go on with the path, for some epochs or until the numbers are not finite."""
        for _ in range(epochs):
            epoch = self.epoch_from(self.path[-1])
            if epoch is None:
                break
            self.path.append((epoch.weight.item(), epoch.bias.item()))
        self.redraw()

    def redraw(self):
        """Show the end of the path, with its loss, gradient and next step."""
        point, epoch = np.array(self.path[-1]), self.epoch_from(self.path[-1])
        for slider, value in zip((self.weight, self.bias), point):
            slider.eventson = False  # it follows the point: this is no drag
            slider.set_val(np.clip(value, slider.valmin, slider.valmax))
            slider.eventson = True
        self.exponent.valtext.set_text(f"{self.lr():g}")

        y_pred = point[0] * X + point[1]
        gaps = np.full_like(X, np.nan)  # between one residual and the next
        self.line.set_data(X, y_pred)
        self.residuals.set_data(np.ravel([X, X, gaps], "F"), np.ravel([Y, y_pred, gaps], "F"))

        for loss, contours in self.contours.items():
            contours.set_visible(loss == self.loss.value_selected)
        walk = np.transpose(self.path)
        self.walk.set_data(*np.where(abs(walk) < 100, walk, np.nan))  # farther out, pixels overflow
        self.point.set_data(*point[:, None])
        self.point_arrows(point, epoch)
        self.words.set_text(self.in_words(epoch))
        self.figure.canvas.draw_idle()

    def point_arrows(self, point, epoch):
        """Let the arrows start at the point; hide them where it has left the map."""
        lowest, highest = np.transpose([WEIGHTS, BIASES])
        visible = np.all((lowest <= point) & (point <= highest))
        for artist in (self.arrows, *self.names):
            artist.set_visible(visible)
        if visible:
            gradient = np.ravel([epoch.weight_grad, epoch.bias_grad])
            vectors = np.array([gradient / 2, -self.lr() * gradient])
            self.arrows.set_offsets([point, point])
            self.arrows.set_UVC(*vectors.T)
            for name, vector in zip(self.names, vectors):
                name.set_visible(np.hypot(*vector) > DOT)
                name.xy = point + vector
                name.set_position((0, np.copysign(20, vector[1])))

    def in_words(self, epoch):
        """Return three lines: where the model is, where the next step goes, how it went so far."""
        weight, bias = self.path[-1]
        where = f"Epoch {len(self.path) - 1}: weight {weight:.4g}, bias {bias:.4g}"
        if epoch is None:
            return (
                f"{where}\nDiverged: each step led farther away, until the numbers no longer fit "
                "float32.\nChoose a lower lr, and restart."
            )
        weight_grad, bias_grad = epoch.weight_grad[0], epoch.bias_grad[0]
        name, now, first = self.loss.value_selected, epoch.loss[0], self.epoch_from(self.path[0])
        if len(self.path) == 1:
            so_far = "Train from here, or guess better."
        elif now > first.loss[0]:
            so_far = f"The {name} rose from {first.loss[0]:.4g} in epoch 0. Lower lr?"
        else:
            so_far = f"In epoch 0 the {name} was {first.loss[0]:.4g}."
        return (
            f"{where}, {name} {now:.4g}\n"
            f"Gradient: weight {weight_grad:.3g}, bias {bias_grad:.3g}. Next step, -lr * gradient: "
            f"weight {-self.lr() * weight_grad:+.3g}, bias {-self.lr() * bias_grad:+.3g}\n{so_far}"
        )


def main():
    """Open the window, or save a picture of it where there is no display."""
    explorer = Explorer()
    if explorer.figure.canvas.required_interactive_framework:
        plt.show()
    else:
        print("No window here: it needs a display, and a toolkit such as tkinter.")
        pictures.save_figure(explorer.figure, "explore")


if __name__ == "__main__":
    program.run(main, __doc__)
